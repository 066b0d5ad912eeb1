"""Pretrained weights of backbones, from files of Keras and of safetensors."""
