#include "core_adx.hpp"
#include "field_scalar.hpp"

namespace vx {

const FieldOps& field_ops_ifma() {
    static constexpr FieldOps ops = scalar_ops<AdxCore>("ifma");
    return ops;
}

}  // namespace vx
