"""The rules of identity: pure, without clock, randomness, environment or storage."""
