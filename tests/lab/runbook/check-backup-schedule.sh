#!/bin/bash
# Check if backups ran according to schedule
EXPECTED_DB_BACKUPS=24  # Hourly backups
EXPECTED_FILE_BACKUPS=6  # Every 4 hours

ACTUAL_DB=$(aws s3 ls s3://${BACKUP_BUCKET}/database/ --recursive | grep $(date +%Y-%m-%d) | wc -l)
ACTUAL_FILE=$(aws s3 ls s3://${BACKUP_BUCKET}/files/ --recursive | grep $(date +%Y-%m-%d) | wc -l)

echo "Database backups today: $ACTUAL_DB (expected: $EXPECTED_DB_BACKUPS)"
echo "File backups today: $ACTUAL_FILE (expected: $EXPECTED_FILE_BACKUPS)"

[ $ACTUAL_DB -lt $EXPECTED_DB_BACKUPS ] && echo "ALERT: Missing database backups"
[ $ACTUAL_FILE -lt $EXPECTED_FILE_BACKUPS ] && echo "ALERT: Missing file backups"
