"""The base layer: data types, abstract components and errors. Imports no heavy library and does no input or output."""
