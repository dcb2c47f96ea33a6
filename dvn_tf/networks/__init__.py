"""The network: layers that read units, backbones, k x n_h logits, losses, costs."""
