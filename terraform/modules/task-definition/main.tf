resource "aws_cloudwatch_log_group" "this" {
  name              = "/ecs/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.logs_kms_key_arn
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory_mib
  execution_role_arn       = var.execution_role_arn
  task_role_arn            = var.task_role_arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "X86_64"
  }

  container_definitions = jsonencode([
    {
      name                   = var.container
      image                  = var.image
      essential              = true
      readonlyRootFilesystem = true
      privileged             = false
      environment            = [for name in sort(keys(var.environment)) : { name = name, value = var.environment[name] }]
      linuxParameters        = { initProcessEnabled = true, capabilities = { add = [], drop = ["ALL"] } }
      ulimits                = [{ name = "nofile", softLimit = 1024, hardLimit = 1024 }, { name = "core", softLimit = 0, hardLimit = 0 }]
      mountPoints            = []
      portMappings           = []
      systemControls         = []
      volumesFrom            = []
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.this.name
          awslogs-region        = var.region
          awslogs-stream-prefix = var.container
        }
      }
    }
  ])

  tags = { Name = var.name }
}
