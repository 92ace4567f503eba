module "context" {
  source = "../../modules/context"

  catalog_path = var.catalog_path
  environment  = var.environment
  service      = "security-groups"
}

data "aws_ssm_parameter" "vpc_id" {
  name = "/shared/network/vpc-id"
}

module "groups" {
  source = "../../modules/security-groups"

  name   = module.context.environment
  vpc_id = nonsensitive(data.aws_ssm_parameter.vpc_id.value)

  groups = {
    alb       = "Application load balancers"
    cache     = "ElastiCache"
    ecs       = "ECS tasks"
    endpoints = "Interface VPC endpoints"
    kafka     = "Kafka brokers and controllers"
    ops       = "Operations hosts: admin clients and metrics"
    rds       = "Shared databases"
  }

  # Hosts are reached through SSM: nobody gets port 22.
  rules = merge(
    {
      alb-to-ecs         = { from = "alb", to = "ecs", port = var.settings.application_port }
      ecs-to-cache       = { from = "ecs", to = "cache", port = 6379 }
      ecs-to-kafka       = { from = "ecs", to = "kafka", port = 9094 }
      ecs-to-mysql       = { from = "ecs", to = "rds", port = 3306 }
      ecs-to-postgres    = { from = "ecs", to = "rds", port = 5432 }
      kafka-controller   = { from = "kafka", to = "kafka", port = 9093 }
      kafka-internal     = { from = "kafka", to = "kafka", port = 9092 }
      kafka-own-client   = { from = "kafka", to = "kafka", port = 9094 }
      ops-to-kafka       = { from = "ops", to = "kafka", port = 9094 }
      ops-to-kafka-jmx   = { from = "ops", to = "kafka", port = 9404 }
      ops-to-mysql       = { from = "ops", to = "rds", port = 3306 }
      ops-to-postgres    = { from = "ops", to = "rds", port = 5432 }
      ops-to-application = { from = "ops", to = "ecs", port = var.settings.application_port }
    },
    { for group in ["ecs", "kafka", "ops"] : "${group}-to-endpoints" => { from = group, to = "endpoints", port = 443 } },
  )

  public_ingress  = { alb = [80, 443] }
  internet_egress = { for group in ["ecs", "kafka", "ops"] : group => var.settings.internet_egress_ports }
}

module "exports" {
  source = "../../modules/ssm-exports"

  parameters = {
    for name, id in module.groups.ids : "/shared/security-groups/${module.context.environment}/${name}-id" => {
      description = "Security group ${name}"
      value       = id
    }
  }
}
