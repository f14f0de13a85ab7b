// The portable loops: plain C++ for any processor.
#include "field_scalar.hpp"

namespace vx {

const FieldOps& field_ops_portable() {
    static constexpr FieldOps ops = scalar_ops<CpuCore>("portable");
    return ops;
}

}  // namespace vx
