pragma circom 2.0.0;
include "circomlib/circuits/poseidon.circom";
template Hash() {
    signal input a[2];
    signal output h;
    component p = Poseidon(2);
    p.inputs[0] <== a[0];
    p.inputs[1] <== a[1];
    h <== p.out;
}
component main = Hash();
