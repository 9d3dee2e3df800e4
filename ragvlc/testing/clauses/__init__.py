"""The clauses of the contract: one function each, explained by the first line of its docstring."""
