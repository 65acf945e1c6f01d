"""The chips, one a file, in their datasheets' words; `board` wires them."""
