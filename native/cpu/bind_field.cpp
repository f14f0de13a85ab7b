#include <nanobind/nanobind.h>

void bind_field(nanobind::module_&) {}
