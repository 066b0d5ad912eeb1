"""The kinds of things that settings choose among: one table each, from a name to where its record is written.

Read by settings, flags and help, so nothing here imports a record: a table does, when one is asked for.
"""

from __future__ import annotations

from data_prep.stage.table import Table

MATCHERS = Table("matcher", {
    "mutual": "delg.geometry.matching:mutual_matches",
    "ratio": "delg.geometry.matching:ratio_matches",
    "threshold": "delg.geometry.matching:near_matches",
})
TRANSFORMS = Table("transform", {
    "homography": "delg.geometry.transforms:HOMOGRAPHY",
    "affine": "delg.geometry.transforms:AFFINE",
})
BACKBONES = Table("backbone", {
    "resnet50": "delg.networks.backbones.keras_applications:RESNET50",
    "resnet101": "delg.networks.backbones.keras_applications:RESNET101",
    "mobilenet_v2": "delg.networks.backbones.keras_applications:MOBILENET_V2",
    "efficientnet_lite0": "delg.networks.backbones.efficientnet_lite:EFFICIENTNET_LITE0",
    "efficientnet_lite2": "delg.networks.backbones.efficientnet_lite:EFFICIENTNET_LITE2",
    "convnext_tiny": "delg.networks.backbones.convnext:CONVNEXT_TINY",
    "efficientnetv2_b0": "delg.networks.backbones.keras_applications:EFFICIENTNETV2_B0",
    "efficientnetv2_s": "delg.networks.backbones.keras_applications:EFFICIENTNETV2_S",
    "dinov2_vits14": "delg.networks.backbones.dinov2:DINOV2_VITS14",
    "dinov2_vitb14": "delg.networks.backbones.dinov2:DINOV2_VITB14",
    "dinov2_vitl14": "delg.networks.backbones.dinov2:DINOV2_VITL14",
    "dinov2_vits14_reg": "delg.networks.backbones.dinov2:DINOV2_VITS14_REG",
    "dinov2_vitb14_reg": "delg.networks.backbones.dinov2:DINOV2_VITB14_REG",
    "dinov2_vitl14_reg": "delg.networks.backbones.dinov2:DINOV2_VITL14_REG",
    "resnet18": "delg.networks.backbones.resnet18:RESNET18",
    "vit_b32": "delg.networks.backbones.vit:VIT_B32",
    "vit_b16": "delg.networks.backbones.vit:VIT_B16",
})
POOLINGS = Table("pooling", {
    "gem": "delg.networks.pooling:GEM",
    "regional_gem": "delg.networks.pooling:REGIONAL_GEM",
    "cls": "delg.networks.pooling:CLS",
    "cls_gem": "delg.networks.pooling:CLS_GEM",
})
GLOBAL_LOSSES = Table("global loss", {
    "arcface": "delg.training.losses:arcface_logits",
    "cosface": "delg.training.losses:cosface_logits",
    "softmax": "delg.training.losses:softmax_logits",
})
WHITENING_INITS = Table("start of the whitening", {  # functions of the model, training images and settings
    "identity": "delg.training.head_starts:initialise_identity",
    "pca": "delg.training.head_starts:initialise_whitening",
    "within_class": "delg.training.head_starts:initialise_within_class",
})
AUTOENCODER_INITS = Table("start of the autoencoder", {
    "pca": "delg.training.head_starts:initialise_autoencoder",
})
OPTIMIZERS = Table("optimizer", {
    "sgd": "delg.fitting.optimizers:SGD",
    "adam": "delg.fitting.optimizers:ADAM",
})
SCHEDULES = Table("schedule", {
    "linear": "delg.fitting.schedule_records:LINEAR",
    "cosine": "delg.fitting.schedule_records:COSINE",
    "inverse_sqrt": "delg.fitting.schedule_records:INVERSE_SQRT",
})
STRATEGIES = Table("strategy", {  # functions that make a tf.distribute strategy
    "one_device": "delg.fitting.strategies:one_device",
    "mirrored": "delg.fitting.strategies:mirrored",
    "multi_worker": "delg.fitting.strategies:multi_worker",
    "tpu": "delg.fitting.strategies:tpu",
})
PHOTOMETRICS = Table("photometric normalisation", {  # functions of ExtractConfig that give a Normalization
    "clahe": "delg.photometric.clahe:clahe",
    "translate": "delg.photometric.translation:translation",
})
FOUND_FILES = Table("suffix of a file of what was found", {  # functions of the path and what was found
    ".html": "delg.photos.found_page:write_html",
    ".csv": "delg.photos.found_files:write_csv",
    ".json": "delg.photos.found_files:write_json",
    ".geojson": "delg.photos.found_files:write_geojson",
})
GROUP_FILES = Table("suffix of a file of groups", {  # functions of the path and the groups
    ".csv": "delg.photos.groups:write_csv",
    ".json": "delg.photos.groups:write_json",
    ".html": "delg.photos.groups_page:write_html",
})
VERIFIERS = Table("verifier", {
    "usac": "delg.geometry.verifiers.usac:USAC",
    "scale": "delg.geometry.verifiers.scale:SCALE",
    "paper": "delg.geometry.verifiers.paper:PAPER",
})
FINAL_ORDERS = Table("final order", {
    "fused": "delg.search.verified_scores:FUSED",
    "inliers": "delg.search.verified_scores:BY_INLIERS",
})
EVIDENCE = Table("evidence", {  # what counts in a ranking
    "global": "delg.scores.evidence:GLOBAL",
    "asmk": "delg.scores.evidence:ASMK",
    "neighbors": "delg.scores.evidence:NEIGHBORS",
    "geometry": "delg.scores.evidence:GEOMETRY",
    "learnt": "delg.scores.evidence:LEARNT",
})
RERANKERS = Table("re-ranker", {
    "alpha_qe": "delg.search.rerankers.alpha_qe:ALPHA_QE",
    "dba": "delg.search.rerankers.dba:DBA",
    "diffusion": "delg.search.rerankers.diffusion:DIFFUSION",
    "neighbor_refinement": "delg.search.rerankers.neighbor_refinement:NEIGHBOR_REFINEMENT",
})
PAIR_TOKENS = Table("kind of tokens", {  # records: delg.reranking.tokens.PairTokens
    "matches": "delg.reranking.match_tokens:MATCHES",
    "local_features": "delg.reranking.feature_tokens:FEATURES",
})
GLOBAL_DESCRIPTORS, LOCAL_FEATURES = "global descriptors", "local features"  # what images are ranked by
INDEX_KINDS = Table("index type", {  # records: delg.index.kind.IndexKind
    "exact": "delg.index.global_index:EXACT",
    "binary": "delg.index.candidates.binary:BINARY",
    "ivf": "delg.index.candidates.ivf:IVF",
    "hnsw": "delg.index.candidates.hnsw:HNSW",
    "milvus": "delg.index.engines.milvus:MILVUS",
    "asmk": "delg.index.asmk.residuals:ASMK",
    "binary_asmk": "delg.index.asmk.binarized:BINARY_ASMK",
})
