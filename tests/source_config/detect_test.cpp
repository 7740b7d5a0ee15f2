#include "source/config/detect.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(Detect, EnvironmentNames) {
  for (const char* name : {".env", ".env.production", "app.env", ".env.local"}) {
    EXPECT_TRUE(is_environment_name(name)) << name;
  }
  for (const char* name : {"env", "environment", "app.env.txt", ".envrc", "dotenv"}) {
    EXPECT_FALSE(is_environment_name(name)) << name;
  }
}

TEST(Detect, TerraformNames) {
  for (const char* name :
       {"main.tf", "main.tf.json", "prod.tfvars", "prod.auto.tfvars.json", ".terraform.lock.hcl",
        "terraform.tfstate", "terraform.tfstate.backup"}) {
    EXPECT_TRUE(is_terraform_name(name)) << name;
  }
  for (const char* name : {"main.tfx", "tf", "main.json", "other.hcl", "main.tf.bak"}) {
    EXPECT_FALSE(is_terraform_name(name)) << name;
  }
}

TEST(Detect, ComposeNames) {
  for (const char* name : {"docker-compose.yml", "docker-compose.yaml", "docker-compose.prod.yml",
                           "compose.yaml", "compose.override.yml"}) {
    EXPECT_TRUE(is_compose_name(name)) << name;
  }
  for (const char* name : {"docker-compose", "my-compose.yml", "compose.json", "docker.yml"}) {
    EXPECT_FALSE(is_compose_name(name)) << name;
  }
}

TEST(Detect, CloudFormation) {
  const char* templates[] = {
      "AWSTemplateFormatVersion: '2010-09-09'\n",
      "# comment\n\"AWSTemplateFormatVersion\": x\n",
      "{\"AWSTemplateFormatVersion\":\"2010-09-09\",\"Resources\":{}}",
      "Resources:\n  Bucket:\n    Type: AWS::S3::Bucket\n    Properties: !Ref x\n",
      "Resources:\r\n  Bucket:\r\n    Type: 'AWS::S3::Bucket'\r\n",
      "{\"Resources\": {\"B\": {\"Type\": \"AWS::S3::Bucket\"}}}",
      "Transform: AWS::Serverless-2016-10-31\nResources:\n  F:\n    Type: AWS::Lambda::Url\n",
  };
  for (const char* text : templates) EXPECT_TRUE(is_cloudformation(text)) << text;
}

TEST(Detect, NotCloudFormation) {
  const char* others[] = {
      "",
      "Resources:\n  x: 1\n",
      "Type: AWS::S3::Bucket\n",
      "services:\n  web:\n    image: x\n",
      "# AWSTemplateFormatVersion: in a comment\n",
      "text: about AWSTemplateFormatVersion\n",
      "Resources:\n  B:\n    Type: Other::Thing\n",
      "apiVersion: v1\nkind: List\n",
      "{\"Resource\": \"Type\", \"AWS\": \"AWS::S3::Bucket\"}",
  };
  for (const char* text : others) EXPECT_FALSE(is_cloudformation(text)) << text;
}

}  // namespace
}  // namespace holdfast
