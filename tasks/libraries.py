"""What DVC and stages load: modules that load all others that take long. What is missing here is loaded by who needs it."""

LIBRARIES = (
    "alembic.command", "alembic.config", "datasets", "ftfy", "lingua", "matplotlib.backends.backend_agg",
    "matplotlib.pyplot", "pandas", "PIL.PngImagePlugin", "py3langid", "pyarrow.parquet", "pydantic", "rapidfuzz.distance",
    "ruamel.yaml", "safetensors.numpy", "safetensors.torch", "scipy.sparse", "scipy.stats",
    "sklearn.feature_extraction.text", "sklearn.linear_model", "sklearn.metrics", "sqlalchemy.dialects.sqlite", "tokenizers",
    "torch", "torch._dynamo", "transformers.convert_slow_tokenizer", "transformers.models.auto.modeling_auto",
    "transformers.models.bert.modeling_bert", "transformers.models.bert.tokenization_bert", "transformers.trainer",
    "mlflow.store.tracking.sqlalchemy_store", "mlflow.tracking.client",
    "dulwich.ignore", "dulwich.index", "dvc.cachemgr", "dvc.cli.parser", "dvc.commands.repro", "dvc.data_cloud", "dvc.lock",
    "dvc.repo", "dvc.repo.reproduce", "dvc.rwlock", "dvc_render", "scmrepo.git.backend.dulwich", "scmrepo.noscm",
)  # fmt: skip
