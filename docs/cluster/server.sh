#!/bin/bash
# The MLflow server: numbers to PostgreSQL, files to the bucket. It needs MLflow, psycopg2-binary and boto3, and nothing of this project.
set -euo pipefail
. "$(dirname "$0")/settings.sh"
: "${PGPASSWORD:?expected the password of the database user mlflow}"
address=${MLFLOW_TRACKING_URI#http://}
# PostgreSQL's library reads PGPASSWORD itself: a password in the address would be visible in the list of processes.
export MLFLOW_BACKEND_STORE_URI="postgresql+psycopg2://mlflow@127.0.0.1:$PGPORT/mlflow"
unset MLFLOW_TRACKING_URI
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false  # eight processes that judge language models
exec "${MLFLOW_PYTHON:-python3}" -m mlflow server --artifacts-destination "s3://$BUCKET" \
  --host "${address%:*}" --port "${address##*:}" --allowed-hosts "$FIRST,$address,localhost" --workers 1
