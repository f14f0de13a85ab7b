"""Contracts compiled by solc and executed on py-evm."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from eth import constants
from eth.chains.base import MiningChain
from eth.db.atomic import AtomicDB
from eth.vm.forks import CancunVM
from eth.vm.forks.cancun.computation import CancunComputation
from eth.vm.forks.cancun.state import CancunState
from eth_hash.auto import keccak
from eth_utils import to_canonical_address

CONTRACT = to_canonical_address("0x" + "c0" * 20)
CALLER = to_canonical_address("0x" + "ca" * 20)
GAS = 30_000_000


@dataclass(frozen=True)
class Outcome:
    """What a call came to: its return data, the name of the error it reverted with, and the gas it used.

    `gas` is that of the execution; a transaction pays 21,000 and its calldata on top, which `transaction` includes.
    """

    data: bytes
    error: str
    gas: int
    transaction: int

    @property
    def accepted(self) -> bool:
        return not self.error and int.from_bytes(self.data, "big") == 1

    @property
    def refused(self) -> bool:
        """Returned false."""
        return not self.error and int.from_bytes(self.data, "big") == 0


class BareVM(CancunVM):
    """A chain without precompiles: calls to their addresses succeed and return nothing."""

    class _state_class(CancunState):
        class computation_class(CancunComputation):
            _precompiles: ClassVar[dict[bytes, Any]] = {}


class Contract:
    """One deployed contract."""

    def __init__(self, runtime: bytes, abi: list[dict[str, Any]], vm: type[CancunVM] = CancunVM) -> None:
        assert len(runtime) <= 24_576, "EIP-170"
        account = {"balance": 0, "nonce": 1, "code": runtime, "storage": {}}
        chain = MiningChain.configure(vm_configuration=((constants.GENESIS_BLOCK_NUMBER, vm),))
        genesis = {"difficulty": 0, "gas_limit": GAS}
        self._vm = chain.from_genesis(AtomicDB(), genesis, {CONTRACT: account}).get_vm()
        self._errors = {keccak(f"{e['name']}()".encode())[:4]: e["name"] for e in abi if e["type"] == "error"}
        self.size = len(runtime)
        self.on_a_bare_chain = partial(Contract, runtime, abi, BareVM)

    def call(self, signature: str, arguments: bytes) -> Outcome:
        data = keccak(signature.encode())[:4] + arguments
        code = self._vm.state.get_code(CONTRACT)
        done = self._vm.execute_bytecode(CALLER, 1, GAS, CONTRACT, CALLER, 0, data, code)
        gas = done.get_gas_used()
        intrinsic = 21_000 + sum(16 if byte else 4 for byte in data)
        error = self._errors.get(done.output[:4], "unnamed") if done.is_error else ""
        return Outcome(b"" if error else done.output, error, gas, gas + intrinsic)


def compile_contract(node: Any, source: str, name: str) -> Contract:
    """The contract `name` of `source`; warnings of the compiler count as errors."""
    selection = {"*": {"*": ["abi", "evm.deployedBytecode.object"]}}
    settings = {"optimizer": {"enabled": True, "runs": 1_000_000}, "outputSelection": selection, "evmVersion": "cancun"}
    question = {"language": "Solidity", "sources": {"v.sol": {"content": source}}, "settings": settings}
    answer = node.ask(solc=question)["result"]
    assert not answer.get("errors"), [error["formattedMessage"] for error in answer["errors"]]
    contract = answer["contracts"]["v.sol"][name]
    return Contract(bytes.fromhex(contract["evm"]["deployedBytecode"]["object"]), contract["abi"])
