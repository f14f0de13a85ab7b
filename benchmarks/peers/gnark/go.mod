module gnark_driver

go 1.25.7

require github.com/consensys/gnark-crypto v0.20.1

require (
	github.com/bits-and-blooms/bitset v1.24.4 // indirect
	golang.org/x/sync v0.20.0 // indirect
	golang.org/x/sys v0.45.0 // indirect
)
