// Row kernels for any machine.
#include "lanes_portable.hpp"
#include "ring_rows_of.hpp"

namespace vx {

const Rows& rows_portable() {
    static constexpr Rows rows = RowsOf<PortableLanes>::table();
    return rows;
}

}  // namespace vx
