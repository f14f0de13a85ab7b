"""PTX to C++ for the block emulator: what the device's compiler made of the kernels, executed on a processor.

One statement an instruction. Loads and stores of global and shared memory ask the emulator first. A block of inline
assembly is a function of the registers it names, one for all blocks that differ in nothing but their registers, so that
the thousands of products in a kernel stay compilable. Covers the instructions that the kernels compile to and refuses
every other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_FUNCTION = re.compile(
    r"^\.(?:visible \.entry|func)\s+(?:\((?P<result>[^)]*)\)\s+)?(?P<name>\w+)\((?P<parameters>.*?)\)\n"
    r"(?:\.\w+ [\d, ]+\n)*\{(?P<body>.*?)\n\}\n",
    re.DOTALL | re.MULTILINE,
)
_CONSTANT = re.compile(r"^\.global \.align (\d+) \.b8 ([\w$]+)\[(\d+)\](?: = (\{[^}]*\}))?;", re.MULTILINE)
_PARAMETER = re.compile(r"\.param (?:\.align \d+ )?\.(\w+) (?:\.ptr [^%\n]*? )?(\w+)(?:\[(\d+)\])?")
_REGISTER = {"pred": "bool", "b16": "uint16_t", "b32": "uint32_t", "b64": "uint64_t", "f64": "double"}
_COMPARE = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_INFIX = {"add": "+", "sub": "-", "and": "&", "or": "|", "xor": "^", "div": "/", "rem": "%"}
_SIGNED = ("setp", "shr", "min", "max", "abs", "div", "rem")
_CARRYING = {"add": "add", "addc": "add", "mad": "add", "madc": "add", "sub": "sub", "subc": "sub"}
_ASSEMBLY = re.compile(r"// begin inline asm(.*?)// end inline asm", re.DOTALL)
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
template <class T> static inline T add_carry(T a, T b, bool in, bool& out) {
    const T sum = a + b, result = sum + in;
    out = sum < a || result < sum;
    return result;
}
template <class T> static inline T sub_carry(T a, T b, bool in, bool& out) {
    const T difference = a - b, result = difference - in;
    out = a < b || difference < in;
    return result;
}
static inline uint64_t insert(uint64_t a, uint64_t b, uint32_t at, uint32_t length) {
    if (at > 63 || !length) return b;
    const uint64_t mask = (length > 63 ? ~0ull : (1ull << length) - 1) << at;
    return (b & ~mask) | ((a << at) & mask);
}
"""


_KIND = {"p": "pred", "rs": "b16", "r": "b32", "rd": "b64", "fd": "f64"}
_LINKAGE = {True: 'extern "C"', False: "static"}
CARRY = "[[maybe_unused]] bool carry = false, unused;"


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
        if space == "param":
            return f"(uint64_t)&{found[1]} + {found[2] or 0}"
        base = f"{self.value(found[1])} + ({found[2] or 0})"
        return f"(uint64_t){self.shared} + {base}" if space == "shared" else base

    def memory(self, parts: list[str], operands: list[str]) -> str:
        space, kind = parts[1], _type(parts[-1])
        vector, judged = "v2" in parts, "false" if space in ("local", "param") else "true"
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
        if parts[1] == "hi" and kind in ("u32", "u64"):
            return f"({_type(kind)})(((unsigned __int128)({x}) * ({y})) >> {kind[1:]})"
        if parts[1] == "lo":
            unsigned = kind.replace("s", "u")
            return f"({self.value(a, unsigned)}) * ({self.value(b, unsigned)})"
        raise UnknownPtx(f"{self.name}: {parts}")

    def expression(self, parts: list[str], sources: list[str]) -> str:
        """What an instruction that has one result computes."""
        op, kind = parts[0], parts[-1]
        values = [self.value(source, kind if op in _SIGNED else kind.replace("s", "u")) for source in sources]
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
            "bfi": lambda: f"({_type(kind)})insert({', '.join(values)})",
            "shf": lambda: (
                f"(uint32_t)((((uint64_t)({values[1]}) << 32 | ({values[0]})) << (({values[2]}) & 31)) >> 32)"
            ),
        }
        if "cc" in parts or op in ("addc", "subc", "madc"):
            return self.carried(parts, sources)
        if op in _INFIX:
            return f"({values[0]}) {_INFIX[op]} ({values[1]})"
        if op not in simple or (op == "shf" and parts[1:3] != ["l", "wrap"]):
            raise UnknownPtx(f"{self.name}: {'.'.join(parts)}")
        return simple[op]()

    def carried(self, parts: list[str], sources: list[str]) -> str:
        """Additions and subtractions that read or write the carry of the extended-precision instructions."""
        op, kind = parts[0], parts[-1].replace("s", "u").replace("b", "u")
        terms = [self.value(source, kind) for source in sources]
        if op in ("mad", "madc"):
            terms = [self.product([op, parts[1], kind], *sources[:2]), terms[2]]
        carry_in, carry_out = ("carry" if op.endswith("c") else "false"), ("carry" if "cc" in parts else "unused")
        return f"{_CARRYING[op]}_carry<{_type(kind)}>({', '.join(terms)}, {carry_in}, {carry_out})"

    def shift(self, sources: list[str], kind: str, operator: str) -> str:
        """Shifts by the width or more give zero, or the sign."""
        bits, count = int(kind[1:]), self.value(sources[1], "u32")
        if kind[0] == "s":
            return f"({self.value(sources[0], kind)}) >> (({count}) < {bits} ? ({count}) : {bits - 1})"
        return f"({count}) < {bits} ? ({self.value(sources[0], kind)}) {operator} ({count}) : 0"

    def call(self, rest: str) -> str:
        """Parameters and results are storage of the caller, given by reference."""
        found = re.fullmatch(r"(?:\( ?(\w+) ?\), )?(\w+)(?:, \( ?([\w, ]*?) ?\))?", rest)
        if found is None:
            raise UnknownPtx(f"{self.name}: call {rest}")
        return f"{found[2]}({', '.join(name for name in (found[1], found[3]) if name)});"

    def statement(self, line: str, number: int) -> str:
        guard = re.match(r"@(!?)%(\w+)\s+", line)
        condition = f"if ({guard[1]}{guard[2]}) " if guard else ""
        op, _, rest = line[guard.end() if guard else 0 :].partition(" ")
        parts, operands = op.split("."), re.split(r",\s+(?![^{]*\})", rest.strip()) if rest.strip() else []
        if parts[0] == "assembly":
            return f"assembly_{parts[1]}({', '.join(operands)});"
        if parts[0] == "call":
            return self.call(rest)
        if parts[0] == "bra":
            return f"{condition}goto {operands[0].lstrip('$')};"
        if parts[0] == "ret":
            return f"{condition}return;"
        if parts[:2] == ["bar", "sync"]:
            return f"{condition}barrier({number});"
        if parts[0] in ("ld", "st"):
            return f"{condition}{{ {self.memory(parts, operands)} }}"
        return f"{condition}{operands[0][1:]} = {self.expression(parts, operands[1:])};"


def translate(ptx: str) -> str:
    """The kernels of a PTX module as C++ functions of the same names, without `PRELUDE`.

    Of global variables, tables of constants are taken over; a kernel that names another does not compile.
    """
    tables = [
        f"alignas({align}) static const unsigned char {name}[{size}] = {values or '{}'};"
        for align, name, size, values in _CONSTANT.findall(ptx)
    ]
    blocks: dict[str, str] = {}
    functions = [_function(match, blocks) for match in _FUNCTION.finditer(ptx)]
    declared = [f"{head};" for head, _ in functions]
    return "\n".join([*tables, *declared, *blocks.values(), *(f"{head} {body}" for head, body in functions)])


def _function(found: re.Match[str], blocks: dict[str, str]) -> tuple[str, str]:
    """The head of a kernel or of a function that kernels call, and its body."""
    entry = found[0].startswith(".visible .entry")
    storage = _PARAMETER.findall(f"{found['result'] or ''} {found['parameters']}")
    signature = ", ".join(_storage(*parameter, reference="" if entry else "&") for parameter in storage)
    kernel = _Kernel(found["name"])
    body = _ASSEMBLY.sub(lambda block: _called(block[1], blocks), found["body"])
    code = _statements(kernel, re.sub(r"//[^\n]*", "", body))
    head = f"{_LINKAGE[entry]} void {kernel.name}({signature})"
    return head, "{\n" + "\n".join([CARRY, *code]) + "\n}"


def _storage(kind: str, name: str, size: str, *, reference: str = "") -> str:
    """Parameters of that kind, of `size` bytes if they are an array."""
    if not size:
        return f"{_type(kind)}{reference} {name}"
    return f"unsigned char ({reference}{name})[{size}]" if reference else f"alignas(16) unsigned char {name}[{size}]"


def _called(block: str, blocks: dict[str, str]) -> str:
    """The call of the function that does what a block of inline assembly says."""
    registers = list(dict.fromkeys(re.findall(r"%([a-z]+\d+)\b", block)))
    places = {register: f"x{i}" for i, register in enumerate(registers)}
    text = re.sub(r"%([a-z]+\d+)\b", lambda found: f"%{places[found[1]]}", block)
    kinds = [_KIND[register.rstrip("0123456789")] for register in registers]
    key = f"{kinds}{' '.join(text.split())}"
    if key not in blocks:
        code = _statements(_Kernel("inline assembly"), text)
        signature = ", ".join(f"{_REGISTER[kind]}& x{i}" for i, kind in enumerate(kinds))
        body = "\n".join([CARRY, *code])
        blocks[key] = f"[[gnu::noinline]] static void assembly_{len(blocks)}({signature}) {{\n{body}\n}}"
    return f"assembly.{list(blocks).index(key)} {', '.join(registers)};"


def _statements(kernel: _Kernel, body: str) -> list[str]:
    code = []
    body = re.sub(r"^\s*([{}])\s*$", r"\1;", body, flags=re.MULTILINE)
    for number, raw in enumerate(re.split(r";|(?<=:)\s", body)):
        line = " ".join(raw.split())
        if not line or line.startswith((".pragma", ".reg .b32 temp_param_reg")):
            continue
        if line.endswith(":"):
            code.append(f"{line.lstrip('$')};")
        elif line in ("{", "}"):
            code.append(line)
        elif line.startswith("."):
            code.append(_declaration(kernel, line))
        else:
            code.append(kernel.statement(line, number))
    return code


def _declaration(kernel: _Kernel, line: str) -> str:
    registers = re.fullmatch(r"\.reg \.(\w+) %(\w+)(?:<(\d+)>)?", line)
    if registers:
        names = [f"{registers[2]}{i}" for i in range(int(registers[3]))] if registers[3] else [registers[2]]
        return f"[[maybe_unused]] {_REGISTER[registers[1]]} " + ", ".join(f"{name} = 0" for name in names) + ";"
    parameter = _PARAMETER.fullmatch(line)
    if parameter:
        return f"{_storage(*parameter.groups(default=''))};"
    array = re.fullmatch(r"\.(shared|local) \.align (\d+) \.b8 (\w+)\[(\d+)\]", line)
    if array is None or (array[1] == "shared" and kernel.shared):
        raise UnknownPtx(f"{kernel.name}: {line}")
    if array[1] == "local":
        return f"alignas({array[2]}) unsigned char {array[3]}[{array[4]}];"
    kernel.shared = array[3]
    return f"__shared__ unsigned char {array[3]}[{array[4]}];"
