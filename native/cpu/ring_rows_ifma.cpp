// Row kernels for AVX-512 with IFMA. This file alone is compiled for it.
#include "lanes_avx512.hpp"
#include "ring_rows_of.hpp"

namespace vx {

const Rows* rows_ifma_narrow() {
    // a sum of narrow products has no room for the 127 bits of reduce_words
    static constexpr Rows rows = RowsOf<NarrowLanes>::table<WideLanes>();
    return &rows;
}

const Rows* rows_ifma_wide() {
    static constexpr Rows rows = RowsOf<WideLanes>::table();
    return &rows;
}

}  // namespace vx
