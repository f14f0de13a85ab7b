// The extension module: one submodule a subject, each bound in its own file.
#include <nanobind/nanobind.h>

namespace nb = nanobind;

void bind_ring(nb::module_& m);
void bind_field(nb::module_& m);

NB_MODULE(_native, m) {
    m.doc() = "CPU kernels of vortex_crypto.";
    nb::module_ ring = m.def_submodule("ring", "Residue rings Z_q[X]/(X^N+1) for CKKS.");
    nb::module_ field = m.def_submodule("field", "BN254 fields, curves and pairing for Groth16.");
    bind_ring(ring);
    bind_field(field);
}
