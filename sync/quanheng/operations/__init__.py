"""What an operator can have done, one module each: the pure rooms and the ports put together."""
