# Check storage capacity
BUCKET_SIZE=$(aws s3 ls s3://${BACKUP_BUCKET} --recursive --summarize | \
  grep "Total Size" | awk '{print $3}')
echo "Backup bucket size: $(numfmt --to=iec-i --suffix=B $BUCKET_SIZE)"
