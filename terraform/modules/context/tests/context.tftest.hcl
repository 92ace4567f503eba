run "the_required_tags_come_from_the_catalog" {
  command = plan

  variables {
    catalog_path = "./tests/catalog.yml"
    environment  = "dev"
    service      = "network"
  }

  assert {
    condition = output.tags == {
      Environment = "dev"
      Service     = "network"
      Owner       = "platform@example.com"
      CostCenter  = "CC-1000"
      Team        = "platform"
      Lifecycle   = "permanent"
      DataClass   = "internal"
      ManagedBy   = "terraform"
      Repository  = "example/groundwork"
    }
    error_message = "all nine required tags must be there"
  }

  assert {
    condition     = output.account_id == "111122223333"
    error_message = "the account id is text"
  }
}

run "files_of_two_environments_are_refused" {
  command = plan

  variables {
    catalog_path = "./tests/catalog.yml"
    environment  = "prod"
    service      = "network"
  }

  expect_failures = [output.catalog]
}

run "a_missing_catalog_is_refused" {
  command = plan

  variables {
    catalog_path = "./tests/none.yml"
    environment  = "dev"
    service      = "network"
  }

  expect_failures = [var.catalog_path]
}

run "what_is_no_name_of_an_environment_is_refused" {
  command = plan

  variables {
    catalog_path = "./tests/catalog.yml"
    environment  = "Dev-1"
    service      = "network"
  }

  expect_failures = [var.environment]
}
