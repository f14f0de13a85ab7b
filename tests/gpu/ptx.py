"""PTX to C++ for the block emulator: what the device's compiler made of the kernels, executed on a processor.

One statement an instruction. Loads and stores of global and shared memory ask the emulator first. Covers the
instructions that the kernels compile to and refuses every other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_ENTRY = re.compile(r"\.visible \.entry (\w+)\((.*?)\)\n(?:\.\w+ [\d, ]+\n)*\{(.*?)\n\}", re.DOTALL)
_REGISTER = {"pred": "bool", "b16": "uint16_t", "b32": "uint32_t", "b64": "uint64_t", "f64": "double"}
_COMPARE = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_INFIX = {"add": "+", "sub": "-", "and": "&", "or": "|", "xor": "^"}
_SPECIAL = {"tid": "thread_index", "ctaid": "block_index", "ntid": "block_size", "nctaid": "grid_size"}
PRELUDE = """#include <device.hpp>
#include <cstring>
using namespace vx::emulate;
template <class T> static inline T load(uint64_t address, bool judged) {
    if (judged) access((const void*)address, sizeof(T), false);
    T value;
    std::memcpy(&value, (const void*)address, sizeof value);
    return value;
}
template <class T> static inline void store(uint64_t address, T value, bool judged) {
    if (judged) access((const void*)address, sizeof(T), true);
    std::memcpy((void*)address, &value, sizeof value);
}
static inline double real(uint64_t bits) { double value; std::memcpy(&value, &bits, sizeof value); return value; }
static inline uint32_t reverse(uint32_t x) {
    uint32_t y = 0;
    for (int i = 0; i < 32; ++i, x >>= 1) y = y << 1 | (x & 1);
    return y;
}
"""


class UnknownPtx(Exception):
    """An instruction the translator has no meaning for."""


def _type(name: str) -> str:
    """The C++ type of an instruction's last part, `b` being unsigned."""
    if name == "pred":
        return "bool"
    if name == "f64":
        return "double"
    kind, bits = name[0], int(name[1:])
    return f"{'' if kind == 's' else 'u'}int{bits}_t"


@dataclass
class _Kernel:
    name: str
    shared: str = ""

    def value(self, operand: str, kind: str = "u64") -> str:
        """An operand as a C++ expression of that type."""
        special = re.fullmatch(r"%(\w+)\.([xyz])", operand)
        if special:
            return f"{_SPECIAL[special[1]]}.{special[2]}"
        if re.fullmatch(r"0d[0-9A-F]{16}", operand):
            return f"real(0x{operand[2:]}u)"
        if re.fullmatch(r"-?\d+", operand):
            return f"({_type(kind)}){operand}{'u' if operand[0] != '-' else ''}ll"
        if operand == self.shared:
            return "0"
        name = operand.lstrip("%")
        return f"({_type(kind)}){name}" if operand[0] == "%" else f"(uint64_t){name}"

    def address(self, operand: str, space: str) -> str:
        found = re.fullmatch(r"\[([%\w]+)(?:\+(-?\d+))?\]", operand)
        if found is None:
            raise UnknownPtx(f"{self.name}: address {operand}")
        base = f"{self.value(found[1])} + ({found[2] or 0})"
        return f"(uint64_t){self.shared} + {base}" if space == "shared" else base

    def memory(self, parts: list[str], operands: list[str]) -> str:
        space, kind = parts[1], _type(parts[-1])
        vector, judged = "v2" in parts, "false" if parts[1] == "local" else "true"
        place, data = (operands[1], operands[0]) if parts[0] == "ld" else (operands[0], operands[1])
        at, names, size = self.address(place, space), data.strip("{}").split(", "), int(parts[-1][1:]) // 8
        if len(names) != (2 if vector else 1):
            raise UnknownPtx(f"{self.name}: {parts} {operands}")
        statements = []
        for i, name in enumerate(names):
            if parts[0] == "ld":
                statements.append(f"{name[1:]} = load<{kind}>({at} + {i * size}, {judged});")
            else:
                statements.append(f"store<{kind}>({at} + {i * size}, {self.value(name, parts[-1])}, {judged});")
        return " ".join(statements)

    def convert(self, parts: list[str], source: str) -> str:
        target, origin = parts[-2], parts[-1]
        value = self.value(source, origin)
        if "rni" in parts or "rzi" in parts:
            value = f"std::{'nearbyint' if 'rni' in parts else 'trunc'}({value})"
        return f"({_type(target)})({value})"

    def product(self, parts: list[str], a: str, b: str) -> str:
        kind = parts[-1]
        x, y = self.value(a, kind), self.value(b, kind)
        if kind == "f64":
            return f"{x} * {y}"
        if parts[1] == "wide":
            return f"({_type(kind[0] + str(2 * int(kind[1:])))}){x} * {y}"
        if parts[1] == "hi" and kind == "u64":
            return f"(uint64_t)(((unsigned __int128)({x}) * ({y})) >> 64)"
        if parts[1] == "lo":
            unsigned = kind.replace("s", "u")
            return f"({self.value(a, unsigned)}) * ({self.value(b, unsigned)})"
        raise UnknownPtx(f"{self.name}: {parts}")

    def expression(self, parts: list[str], sources: list[str]) -> str:
        """What an instruction that has one result computes."""
        op, kind = parts[0], parts[-1]
        values = [
            self.value(source, kind.replace("s", "u") if op not in ("setp", "shr", "min", "max", "abs") else kind)
            for source in sources
        ]
        simple = {
            "mov": lambda: values[0],
            "cvta": lambda: values[0],
            "neg": lambda: f"0 - {values[0]}",
            "not": lambda: f"{'!' if kind == 'pred' else '~'}({values[0]})",
            "brev": lambda: f"reverse({values[0]})",
            "abs": lambda: f"({values[0]}) < 0 ? 0 - (uint64_t)({values[0]}) : (uint64_t)({values[0]})",
            "selp": lambda: f"{sources[2][1:]} ? {values[0]} : {values[1]}",
            "setp": lambda: f"({values[0]}) {_COMPARE[parts[1]]} ({values[1]})",
            "shl": lambda: self.shift(sources, kind, "<<"),
            "shr": lambda: self.shift(sources, kind, ">>"),
            "min": lambda: f"({values[0]}) < ({values[1]}) ? {values[0]} : {values[1]}",
            "max": lambda: f"({values[0]}) > ({values[1]}) ? {values[0]} : {values[1]}",
            "cvt": lambda: self.convert(parts, sources[0]),
            "mul": lambda: self.product(parts, *sources),
            "mad": lambda: f"{self.product(parts, *sources[:2])} + {self.value(sources[2])}",
            "shf": lambda: (
                f"(uint32_t)((((uint64_t)({values[1]}) << 32 | ({values[0]})) << (({values[2]}) & 31)) >> 32)"
            ),
        }
        if op in _INFIX and "cc" not in parts:
            return f"({values[0]}) {_INFIX[op]} ({values[1]})"
        if op not in simple or (op == "shf" and parts[1:3] != ["l", "wrap"]):
            raise UnknownPtx(f"{self.name}: {'.'.join(parts)}")
        return simple[op]()

    def shift(self, sources: list[str], kind: str, operator: str) -> str:
        """Shifts by the width or more give zero, or the sign."""
        bits, count = int(kind[1:]), self.value(sources[1], "u32")
        if kind[0] == "s":
            return f"({self.value(sources[0], kind)}) >> (({count}) < {bits} ? ({count}) : {bits - 1})"
        return f"({count}) < {bits} ? ({self.value(sources[0], kind)}) {operator} ({count}) : 0"

    def statement(self, line: str, number: int) -> str:
        guard = re.match(r"@(!?)%(\w+)\s+", line)
        condition = f"if ({guard[1]}{guard[2]}) " if guard else ""
        op, _, rest = line[guard.end() if guard else 0 :].partition(" ")
        parts, operands = op.split("."), re.split(r",\s+(?![^{]*\})", rest.strip()) if rest.strip() else []
        if parts[0] == "bra":
            return f"{condition}goto {operands[0].lstrip('$')};"
        if parts[0] == "ret":
            return f"{condition}return;"
        if parts[:2] == ["bar", "sync"]:
            return f"{condition}barrier({number});"
        if parts[:2] == ["ld", "param"]:
            return f"{operands[0][1:]} = {operands[1].strip('[]')};"
        if parts[0] in ("ld", "st"):
            return f"{condition}{{ {self.memory(parts, operands)} }}"
        return f"{condition}{operands[0][1:]} = {self.expression(parts, operands[1:])};"


def translate(ptx: str) -> str:
    """The kernels of a PTX module as C++ functions of the same names, without `PRELUDE`."""
    return "\n".join(_entry(*match.groups()) for match in _ENTRY.finditer(ptx))


def _entry(name: str, parameters: str, body: str) -> str:
    kernel, head, code = _Kernel(name), [], []
    arguments = re.findall(r"\.param \.(\w+) (?:\.ptr [^%\n]*? )?(\w+)", parameters)
    body = re.sub(r"//[^\n]*", "", body)
    for number, raw in enumerate(re.split(r";|(?<=:)\s", body)):
        line = " ".join(raw.split())
        if not line or line.startswith(".pragma"):
            continue
        if line.endswith(":"):
            code.append(f"{line.lstrip('$')};")
        elif line.startswith("."):
            head.append(_declaration(kernel, line))
        else:
            code.append(kernel.statement(line, number))
    signature = ", ".join(f"{_type(kind)} {argument}" for kind, argument in arguments)
    return f'extern "C" void {name}({signature}) {{\n' + "\n".join([*head, *code]) + "\n}"


def _declaration(kernel: _Kernel, line: str) -> str:
    registers = re.fullmatch(r"\.reg \.(\w+) %(\w+)(?:<(\d+)>)?", line)
    if registers:
        names = [f"{registers[2]}{i}" for i in range(int(registers[3]))] if registers[3] else [registers[2]]
        return f"[[maybe_unused]] {_REGISTER[registers[1]]} " + ", ".join(f"{name} = 0" for name in names) + ";"
    array = re.fullmatch(r"\.(shared|local) \.align (\d+) \.b8 (\w+)\[(\d+)\]", line)
    if array is None or (array[1] == "shared" and kernel.shared):
        raise UnknownPtx(f"{kernel.name}: {line}")
    if array[1] == "local":
        return f"alignas({array[2]}) unsigned char {array[3]}[{array[4]}];"
    kernel.shared = array[3]
    return f"__shared__ unsigned char {array[3]}[{array[4]}];"
