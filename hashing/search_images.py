"""Find the photos most like a photo by binary codes.

    python -m hashing.search_images --index_dir=INDEX --saved_model=SAVED_MODEL --image=photo.jpg \\
        --index_images='DIR/train-*' --sheet=found.png
    python -m hashing.search_images --index_dir=INDEX --query_codes='CODES/test-*' --output=ranking.csv
    python -m hashing.search_images --index_dir=INDEX --query_codes='CODES/test-*' --output=ranking.csv \\
        --rescore_by=features --index_codes='CODES/train-*'

The first prints the ids and distances of the nearest images and draws them; `--image` may be given several
times. The second writes a table of query, rank, id and distance for every query. The third puts the nearest
thousand of each query in order by features, kept by `hashing.encode_images --keep_features`;
`--rescore_by=asymmetric` needs the index alone.
"""

from __future__ import annotations

from absl import flags

from data_prep.stage import command_line, config_flags
from data_prep.stage.settings import require
from hashing.index.kinds import RESCORINGS, STORED

_INDEX_DIR = flags.DEFINE_string("index_dir", None, "Folder of hashing.build_index.", required=True)
_IMAGE = flags.DEFINE_multi_string("image", [], "JPEG or PNG file to search for; to be repeated.")
_SAVED_MODEL = flags.DEFINE_string("saved_model", "", "Folder of hashing.export_model, for `image`.")
_MODEL_DIR = flags.DEFINE_string("model_dir", "", "Folder of hashing.train, instead of `saved_model`.")
_QUERY_CODES = flags.DEFINE_string("query_codes", "", "Folder or glob of code shards to search for.")
_NUM_NEIGHBORS = flags.DEFINE_integer("num_neighbors", 10, "Images found per query.", lower_bound=1)
_RESCORE_BY = flags.DEFINE_enum(
    "rescore_by", "none", RESCORINGS, "What puts the nearest by Hamming distance in order; asymmetric: real "
    "values of the query against bits; values, features: cosines with those in `index_codes`; none: they "
    "stay as they are.")
_INDEX_CODES = flags.DEFINE_string(
    "index_codes", "", "rescore_by values, features: folder or glob of the code shards of the index.")
_NUM_CANDIDATES = flags.DEFINE_integer(
    "num_candidates", 1000, "rescore_by: nearest by Hamming distance that are put in order.", lower_bound=1)
_OUTPUT = config_flags.define_output("output", "Table to write, CSV; empty: it is printed.", required=False)
_SHEET = config_flags.define_output(
    "sheet", "Picture of the first queries and what was found, PNG.", required=False)
_INDEX_IMAGES = flags.DEFINE_string("index_images", "", "sheet: glob of the index images' TFRecord shards.")
_QUERY_IMAGES = flags.DEFINE_string("query_images", "", "sheet: the same of the queries of `query_codes`.")


def main(_: list[str]) -> None:
    require(bool(_IMAGE.value) != bool(_QUERY_CODES.value), "Give `image` or `query_codes`.",
            image=_IMAGE.value, query_codes=_QUERY_CODES.value)
    require(not _SHEET.value or bool(_INDEX_IMAGES.value), "`sheet` needs `index_images`.",
            sheet=_SHEET.value, index_images=_INDEX_IMAGES.value)
    require(not (_SHEET.value and _QUERY_CODES.value) or bool(_QUERY_IMAGES.value),
            "`sheet` with `query_codes` needs `query_images`.", query_images=_QUERY_IMAGES.value)
    require(bool(_INDEX_CODES.value) == (_RESCORE_BY.value in STORED), "`index_codes` goes with `rescore_by` "
            "values or features.", index_codes=_INDEX_CODES.value, rescore_by=_RESCORE_BY.value)
    from hashing.codes import code_shards, encoding
    from hashing.index import code_index, rescoring, retrieval  # after the flags: TensorFlow is slow

    index = code_index.CodeIndex.load(_INDEX_DIR.value)
    if _IMAGE.value:
        encoder = encoding.Encoder(_SAVED_MODEL.value, _MODEL_DIR.value)
        retrieval.check_model(encoder.fingerprint, index, "the model")
        queries = retrieval.encode_photos(encoder, _IMAGE.value)
    else:
        queries = code_shards.read_codes(_QUERY_CODES.value)
        retrieval.check_model(queries.config["fingerprint"], index, _QUERY_CODES.value)
    scorer = (None if _RESCORE_BY.value == "none" else
              rescoring.scorer_for(_RESCORE_BY.value, index, _INDEX_CODES.value))
    ranking = retrieval.search(index, queries, _NUM_NEIGHBORS.value, scorer, _NUM_CANDIDATES.value)
    if _OUTPUT.value:
        retrieval.write_ranking(_OUTPUT.value, ranking)
    else:
        for query, results in zip(ranking.query_ids, ranking.results):
            print(query)
            for rank, (image_id, distance) in enumerate(results, 1):
                print(f"  {rank:3d}  {distance:3d} bits  {image_id}")
    if _SHEET.value:
        retrieval.draw_ranking(_SHEET.value, ranking, _INDEX_IMAGES.value, _QUERY_IMAGES.value)
    files = [path for path in (_OUTPUT.value, _SHEET.value) if path]
    command_line.finish(f"{len(ranking.query_ids)} queries in {len(index)} images"
                        f"{', in ' if files else ''}{' and '.join(files)}.",
                        f"look at {_SHEET.value}" if _SHEET.value else "")


if __name__ == "__main__":
    command_line.run(main)
