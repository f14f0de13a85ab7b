// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// @title Verifier of Groth16 proofs over BN254
/// @notice $notice
/// @dev Made by vortex-crypto for program $program.
///      The precompiles (EIP-196, EIP-197) refuse coordinates that are not reduced, points off their curve, and points of
///      G2 outside of its subgroup of order r; that scalars are below r is checked here.
contract $name {
    /// @notice Whether one party made the key, who can then forge proofs.
    bool public constant INSECURE = $insecure;

    /// @notice Something follows the arguments: a proof has one encoding.
    error WrongLength();

    /// @notice An input is not below r: it would be a second name for another one.
    error ScalarNotBelowR();

    /// @notice An input is outside of the range for which the program was made.
    error InputOutOfRange();

    /// @notice A point of the proof is not reduced, not on its curve, or not in its subgroup.
    error InvalidPoint();

    /// @param proof A.x, A.y, B.x.c1, B.x.c0, B.y.c1, B.y.c0, C.x, C.y
    /// @return valid whether the proof shows the statement; what is malformed reverts
    function verify(uint256[8] calldata proof$parameter) external view returns (bool valid) {
$check
        assembly ("memory-safe") {
            // At the first call that fails: it has spent what gas it was given, and the next would do the same. A call to
            // an address without a precompile succeeds, and returns nothing: a chain may lack one.
            function returned(size, success) {
                if iszero(and(success, eq(returndatasize(), size))) {
                    mstore(0, 0xb8fedf87) // InvalidPoint()
                    revert(0x1c, 0x04)
                }
            }

            // The sum at s becomes sum + scalar * (x, y); three words after it are scratch.
            function accumulate(s, x, y, scalar) {
                mstore(add(s, 0x40), x)
                mstore(add(s, 0x60), y)
                mstore(add(s, 0x80), scalar)
                returned(0x40, staticcall(gas(), 7, add(s, 0x40), 0x60, add(s, 0x40), 0x40))
                returned(0x40, staticcall(gas(), 6, s, 0x80, s, 0x40))
            }

            // One product of pairings: e(A, B) e(alpha, -beta) e(statement, -gamma) e(C, -delta) = 1
            let p := mload(0x40)
$statement
            calldatacopy(p, proof, 0xc0)
            calldatacopy(add(p, 0x240), add(proof, 0xc0), 0x40)
$constants
            returned(0x20, staticcall(gas(), 8, p, 0x300, p, 0x20))
            valid := eq(mload(p), 1)
        }
    }
}
