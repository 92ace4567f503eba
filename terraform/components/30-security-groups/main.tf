module "context" {
  source = "../../modules/context"

  catalog_path = var.catalog_path
  environment  = var.environment
  service      = "security-groups"
}

locals {
  # Ports of the observability servers, from the one route table: a rule of the load balancer never meets a closed port.
  backends   = yamldecode(file("${path.module}/../../routes.yml")).backends
  lgtm_ports = toset(flatten([for backend in values(local.backends) : [backend.port, try(backend.health_port, backend.port)]]))

  # Groups that pull packages or images and call AWS.
  outbound = ["ecs", "kafka", "lgtm", "ops", "problem"]

  # What sends metrics, logs, traces and profiles; Grafana asks the other servers by the same way.
  lgtm_clients = ["ecs", "kafka", "lgtm", "ops", "problem"]

  # Between the servers' own tasks. Pyroscope's distributors and queriers talk to its ingesters on its HTTP port.
  lgtm_own_ports = { gossip = 7946, grpc = 9095, profiles = local.backends.pyroscope.port, files = 2049 }
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
    lgtm      = "Observability servers: Mimir, Loki, Tempo, Pyroscope, Grafana and Grafana's file system"
    lgtm-alb  = "Internal load balancer of the observability servers"
    ops       = "Operations hosts: admin clients and metrics"
    problem   = "Problem service: tasks and functions"
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
    { for group in local.outbound : "${group}-to-endpoints" => { from = group, to = "endpoints", port = 443 } },
    { for group in local.lgtm_clients : "${group}-to-lgtm-alb" => { from = group, to = "lgtm-alb", port = 80 } },
    { for port in local.lgtm_ports : "lgtm-alb-to-lgtm-${port}" => { from = "lgtm-alb", to = "lgtm", port = port } },
    { for use, port in local.lgtm_own_ports : "lgtm-own-${use}" => { from = "lgtm", to = "lgtm", port = port } },
  )

  public_ingress  = { alb = [80, 443] }
  internet_egress = { for group in local.outbound : group => var.settings.internet_egress_ports }
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
