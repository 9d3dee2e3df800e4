"""The contract, clause by clause: a function each, named and explained by its docstring's first line."""
