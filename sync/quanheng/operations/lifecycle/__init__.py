"""The life of accounts, carried out: what each day asks for, and what people ask for."""
