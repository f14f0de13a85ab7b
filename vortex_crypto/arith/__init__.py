"""Fields, rings, curves and the engines that compute in them."""
