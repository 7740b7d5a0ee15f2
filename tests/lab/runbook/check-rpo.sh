#!/bin/bash
BACKUP_BUCKET=${BACKUP_BUCKET:-"disaster-recovery-backups"}

echo "=== RPO Status ==="

# Database RPO (target: 1 hour)
LAST_DB_BACKUP=$(aws s3 ls s3://${BACKUP_BUCKET}/database/ --recursive | \
  awk '{print $1" "$2}' | sort -r | head -1)
LAST_DB_TIME=$(echo $LAST_DB_BACKUP | xargs -I {} date -d {} +%s)
CURRENT_TIME=$(date +%s)
DB_RPO_MINUTES=$(( (CURRENT_TIME - LAST_DB_TIME) / 60 ))
echo "Database RPO: ${DB_RPO_MINUTES} minutes (target: < 60 min)"
[ $DB_RPO_MINUTES -gt 60 ] && echo "WARNING: Database RPO exceeded!"

# Files RPO (target: 4 hours)
LAST_FILE_BACKUP=$(aws s3 ls s3://${BACKUP_BUCKET}/files/ --recursive | \
  awk '{print $1" "$2}' | sort -r | head -1)
LAST_FILE_TIME=$(echo $LAST_FILE_BACKUP | xargs -I {} date -d {} +%s)
FILE_RPO_HOURS=$(( (CURRENT_TIME - LAST_FILE_TIME) / 3600 ))
echo "Files RPO: ${FILE_RPO_HOURS} hours (target: < 4 hours)"
[ $FILE_RPO_HOURS -gt 4 ] && echo "WARNING: Files RPO exceeded!"

# Config RPO (target: 24 hours)
LAST_CONFIG_BACKUP=$(aws s3 ls s3://${BACKUP_BUCKET}/config/ --recursive | \
  awk '{print $1" "$2}' | sort -r | head -1)
LAST_CONFIG_TIME=$(echo $LAST_CONFIG_BACKUP | xargs -I {} date -d {} +%s)
CONFIG_RPO_HOURS=$(( (CURRENT_TIME - LAST_CONFIG_TIME) / 3600 ))
echo "Config RPO: ${CONFIG_RPO_HOURS} hours (target: < 24 hours)"
[ $CONFIG_RPO_HOURS -gt 24 ] && echo "WARNING: Config RPO exceeded!"
