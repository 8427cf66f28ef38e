# Where everything of a cluster is; read by every command of docs/cluster.md, on every machine: `. docs/cluster/settings.sh`.
# What the environment says already is kept, so that a file of your own, or a batch system, may say it before.
export FIRST="${FIRST:-first-machine}"   # name or address of the machine with scheduler, database and MLflow server
export SHARED="${SHARED:-/shared}"       # a folder that every machine sees

export SCHEDULER="${SCHEDULER:-tcp://$FIRST:8786}"
export MLFLOW_TRACKING_URI="${MLFLOW_TRACKING_URI:-http://$FIRST:5000}"
export ETUDES_RAW="${ETUDES_RAW:-$SHARED/raw}"
export ETUDES_OUTPUTS="${ETUDES_OUTPUTS:-$SHARED/outputs}"

# Read by the first machine alone. The password and the store's keys (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) come from
# its environment; for another store than Amazon's say MLFLOW_S3_ENDPOINT_URL, for example http://first-machine:9000.
export DATABASE="${DATABASE:-/var/lib/etudes/database}"   # a folder on its own disk
export PGPORT="${PGPORT:-5432}"
export BUCKET="${BUCKET:-mlflow}"
