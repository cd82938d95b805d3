"""Is everything as it should be? Facts are gathered by `machine` and `reaching`; what they mean is said by functions of them."""
