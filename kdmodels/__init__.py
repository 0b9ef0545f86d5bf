"""How to learn: plain functions and modules of tensors and text, which know nothing of stages, flows or params."""
