// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// @title Verifier of Groth16 proofs with Pedersen commitments over BN254
/// @notice $notice
/// @dev Made by vortex-crypto for program $program.
///      The precompiles (EIP-196, EIP-197) refuse coordinates that are not reduced, points off their curve, and points of
///      G2 outside of its subgroup of order r; that scalars are below r is checked here.
///      Commitments, in order: $commitments.
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

    /// @param proof A.x, A.y, B.x.c1, B.x.c0, B.y.c1, B.y.c0, C.x, C.y, then x, y of each commitment, then x, y of the
    ///        proof of knowledge
    /// @return valid whether the proof shows the statement; what is malformed reverts
    function verify(uint256[$words] calldata proof$parameter) external view returns (bool valid) {
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

            // The sum at s becomes sum + (x, y); two words after it are scratch.
            function append(s, x, y) {
                mstore(add(s, 0x40), x)
                mstore(add(s, 0x60), y)
                returned(0x40, staticcall(gas(), 6, s, 0x80, s, 0x40))
            }

            // The point at q becomes scalar * (x, y); a word after it is scratch.
            function multiply(q, x, y, scalar) {
                mstore(q, x)
                mstore(add(q, 0x20), y)
                mstore(add(q, 0x40), scalar)
                returned(0x40, staticcall(gas(), 7, q, 0x60, q, 0x40))
            }

            // The sum at s becomes sum + scalar * (x, y); three words after it are scratch.
            function accumulate(s, x, y, scalar) {
                multiply(add(s, 0x40), x, y, scalar)
                returned(0x40, staticcall(gas(), 6, s, 0x80, s, 0x40))
            }

            // (SHA-256(seed, kind, index, 0) SHA-256(seed, kind, index, 1)) mod r, with four words of scratch at h
            function challenge(h, seed, kind, index) -> scalar {
                mstore(h, seed)
                mstore8(add(h, 0x20), kind)
                mstore8(add(h, 0x21), index)
                mstore8(add(h, 0x22), 0)
                returned(0x20, staticcall(gas(), 2, h, 0x23, add(h, 0x40), 0x20))
                mstore8(add(h, 0x22), 1)
                returned(0x20, staticcall(gas(), 2, h, 0x23, add(h, 0x60), 0x20))
                scalar := addmod(mulmod(mload(add(h, 0x40)), $two_256, $r), mload(add(h, 0x60)), $r)
            }

            // The product of pairings at p, hashing behind it at h.
            let p := mload(0x40)
            let h := add(p, $pairing_bytes)
            let scalar := 0

            // seed = SHA-256(tag, the key's digest, inputs, commitments)
$seed
            returned(0x20, staticcall(gas(), 2, h, $seed_bytes, h, 0x20))
            let seed := mload(h)

            // statement = IC + inputs and challenges times theirs + commitments
$statement

            // m makes the equation of the proofs of knowledge one with the other, f^k joins those.
            mstore(h, seed)
            calldatacopy(add(h, 0x20), proof, 0x100)
            calldatacopy(add(h, 0x120), add(proof, $knowledge), 0x40)
            returned(0x20, staticcall(gas(), 2, h, 0x160, h, 0x20))
            scalar := challenge(h, mload(h), 3, 0)
            multiply(add(p, 0x300), calldataload(add(proof, $knowledge)), calldataload(add(proof, $knowledge_y)), scalar)
$fold

            // e(A, B) e(alpha, -beta) e(statement, -gamma) e(C, -delta) e(m P, G) prod_k e(m f^k D_k, -sigma_k G) = 1
            calldatacopy(p, proof, 0xc0)
            calldatacopy(add(p, 0x240), add(proof, 0xc0), 0x40)
$constants
            returned(0x20, staticcall(gas(), 8, p, $pairing_bytes, p, 0x20))
            valid := eq(mload(p), 1)
        }
    }
}
