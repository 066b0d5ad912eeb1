"""DELG: global and local image features, search, geometric verification and evaluation."""

from data_prep.stage.public_names import PublicNames

__getattr__ = PublicNames(__name__, {
    "ModelConfig": "delg.settings.model:ModelConfig",
    "build_delg": "delg.networks.delg:build_delg",
    "TrainConfig": "delg.settings.training:TrainConfig",
    "train": "delg.training.loop:train",
    "export": "delg.exports.saving:export",
    "ExportedModel": "delg.exports.loading:ExportedModel",
    "ExtractConfig": "delg.settings.extraction:ExtractConfig",
    "ImageDescriber": "delg.features.describing:ImageDescriber",
    "extract_features": "delg.features.extraction:extract_features",
    "read_descriptors": "delg.features.reader:read_descriptors",
    "FeatureReader": "delg.features.reader:FeatureReader",
    "IndexConfig": "delg.settings.index:IndexConfig",
    "build_index": "delg.index.building:build_index",
    "update_index": "delg.index.building:update_index",
    "load_index": "delg.index.building:load_index",
    "TrainRerankerConfig": "delg.settings.reranking:TrainRerankerConfig",
    "train_reranker": "delg.reranking.loop:train",
    "SearchConfig": "delg.settings.search:SearchConfig",
    "search_images": "delg.search.retrieval:search",
    "read_ranking": "delg.scores.ranking:read_ranking",
    "find_images": "delg.photos.finding:find_in_folder",
    "verify_pair": "delg.geometry.pairs:verify_pair",
    "evaluate": "delg.scores.evaluation:evaluate",
    "VoteConfig": "delg.settings.recognition:VoteConfig",
    "read_landmarks": "delg.recognition.labels:read_landmarks",
    "recognize": "delg.recognition.predictions:recognize",
})
__dir__ = __getattr__.dir
__all__ = list(__getattr__.places)
