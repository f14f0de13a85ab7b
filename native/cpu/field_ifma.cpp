// AVX-512 IFMA: eight elements at a time wherever there are eight to take.
#include "curve_ifma.hpp"
#include "group_ifma.hpp"
#include "multiply_ifma.hpp"
#include "ntt_ifma.hpp"
#include "pairing_ifma.hpp"
#include "roots_ifma.hpp"
#include "vectors_ifma.hpp"

namespace vx {
namespace {

constexpr FieldOps make() {
    using Fr = Fp<bn254::FrModulus, AdxCore>;
    using Fq = Fp<bn254::FqModulus, AdxCore>;
    FieldOps ops = scalar_ops<AdxCore>("ifma");
    ops.fr = LaneVectors<Fr>::ops();
    ops.fq = LaneVectors<Fq>::ops();
    ops.g1 = LaneGroup<LanesOfG1, ScalarGroup<Fq, Fq>>::ops();
    ops.g2 = LaneGroup<LanesOfG2, ScalarGroup<Fp2<Fq>, Fq>>::ops();
    ops.g1.valid = valid<LanesOfG1>;
    ops.g2.valid = valid<LanesOfG2>;
    ops.g1.lift_x = LaneRoots<1>::lift_x;
    ops.g2.lift_x = LaneRoots<2>::lift_x;
    ops.g1.multiply = LaneMultiples<LanesOfG1, ScalarGroup<Fq, Fq>>::multiply;
    ops.g2.multiply = LaneMultiples<LanesOfG2, ScalarGroup<Fp2<Fq>, Fq>>::multiply;
    ops.ntt = LaneNtt<Fr>::ops();
    ops.pairing = LanePairing<Fq>::ops();
    return ops;
}

}  // namespace

const FieldOps& field_ops_ifma() {
    static constexpr FieldOps ops = make();
    return ops;
}

}  // namespace vx
