"""What is kept of every run: the store contract, its stores, provenance, TensorBoard, serving the UIs."""
