// Transforms for AVX2; everything else there is the portable code compiled for it (mulx beats four 32-bit products).
#include "lanes_avx2.hpp"
#include "lanes_portable.hpp"
#include "ring_rows_of.hpp"

namespace vx {

const Rows* rows_avx2() {
    static constexpr Rows rows = [] {
        Rows made = RowsOf<PortableLanes>::table();
        made.lanes = Avx2Lanes::kLanes;
        made.smallest = kTail<Avx2Lanes> * 2;
        made.montgomery_tail = Avx2Lanes::kMontgomeryTail;
        made.ntt = ntt_row<Avx2Lanes>;
        made.intt = intt_row<Avx2Lanes>;
        return made;
    }();
    return &rows;
}

}  // namespace vx
