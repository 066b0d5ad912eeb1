"""The domain-invariant double VAE for day and night retrieval."""

from data_prep.stage.public_names import PublicNames

__getattr__ = PublicNames(__name__, {
    "TrainConfig": "vae.training.config:TrainConfig",
    "preset": "vae.training.config:preset",
    "train": "vae.training.loop:train",
    "LatentEncoder": "vae.latents.latents:LatentEncoder",
    "export": "vae.latents.export:export_vae",
    "encode_images": "vae.latents.encoding:encode_images",
    "TranslatorConfig": "vae.training.translator_config:TranslatorConfig",
    "train_translator": "vae.training.detail_translation:train_translator",
    "translate_folder": "vae.latents.translating:translate_folder",
    "translate_shards": "vae.latents.translating:translate_shards",
    "read_photographs": "vae.data.photographs:read_photographs",
    "MethodsConfig": "vae.scores.config:MethodsConfig",
    "build_methods": "vae.scores.methods:build_methods",
    "evaluate": "vae.scores.evaluation:evaluate",
})
__dir__ = __getattr__.dir
__all__ = list(__getattr__.places)
