# Check backup size
aws s3api head-object \
  --bucket ${BACKUP_BUCKET} \
  --key database/backup.sql.gz \
  --query 'ContentLength' \
  --output text | numfmt --to=iec-i --suffix=B
