cmd-src := help.c machine.c main.c options.c run.c run_options.c version.c
