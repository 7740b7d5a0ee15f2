// Which files are configuration of a kind, by their names and content.
#pragma once

#include <string_view>

namespace holdfast {

// ".env", ".env.production", "app.env".
bool is_environment_name(std::string_view name);

// Terraform's code, variables, state and dependency lock.
bool is_terraform_name(std::string_view name);

// "docker-compose.yml", "compose.override.yaml".
bool is_compose_name(std::string_view name);

// A file that may be a CloudFormation template: YAML or JSON.
bool may_be_cloudformation_name(std::string_view name);

// A CloudFormation template: AWSTemplateFormatVersion, or Resources of a type "AWS::...". Judged by
// the text, since templates have tags of their own that make them no plain YAML.
bool is_cloudformation(std::string_view text);

}  // namespace holdfast
