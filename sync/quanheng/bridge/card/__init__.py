"""The card platform behind a port, with one adapter: the national channel of 电子社保卡."""
