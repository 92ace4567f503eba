mock_provider "aws" {}

variables {
  name               = "test-problem-runner-python"
  container          = "runner"
  image              = "111122223333.dkr.ecr.ap-northeast-2.amazonaws.com/test@sha256:0000"
  region             = "ap-northeast-2"
  execution_role_arn = "arn:aws:iam::111122223333:role/test-problem-execution"
  task_role_arn      = "arn:aws:iam::111122223333:role/test-problem-runner"
  logs_kms_key_arn   = "arn:aws:kms:ap-northeast-2:111122223333:key/logs"
  log_retention_days = 7
}

run "the_container_is_locked_down" {
  command = plan

  assert {
    condition = alltrue([
      for container in jsondecode(aws_ecs_task_definition.this.container_definitions) :
      container.readonlyRootFilesystem && !container.privileged && container.linuxParameters.capabilities.drop[0] == "ALL"
    ])
    error_message = "read-only root, no privileges, no capabilities"
  }

  assert {
    condition     = aws_ecs_task_definition.this.runtime_platform[0].cpu_architecture == "X86_64"
    error_message = "images are built for linux/amd64"
  }
}

run "memory_must_fit_the_cpu" {
  command = plan

  variables {
    memory_mib = 256
  }

  expect_failures = [var.memory_mib]
}
