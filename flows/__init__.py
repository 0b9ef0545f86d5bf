"""When and where the stages of dvc.yaml run: the pipeline flow, and the command line."""
