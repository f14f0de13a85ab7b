// The same loops with MULX, ADCX and ADOX, for x86-64 from Broadwell on.
#include "core_adx.hpp"
#include "field_scalar.hpp"

namespace vx {

const FieldOps& field_ops_avx2() {
    static constexpr FieldOps ops = scalar_ops<AdxCore>("avx2");
    return ops;
}

}  // namespace vx
