pragma circom 2.0.0;
template Multiplier() {
    signal input a;
    signal input b;
    signal input c;
    signal output d;
    signal ab;
    ab <== a * b;
    d <== ab * c + 7 * a - b;
}
component main {public [c]} = Multiplier();
