# 2. Download latest backup
LATEST_BACKUP=$(aws s3 ls s3://${BACKUP_BUCKET}/database/ | tail -1 | awk '{print $4}')
echo "Testing restore of: $LATEST_BACKUP"
