mock_provider "aws" {}

variables {
  name         = "test-role"
  description  = "A role"
  trust_policy = "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
}

run "no_instance_profile_unless_asked_for" {
  command = plan

  assert {
    condition     = output.instance_profile_name == null && aws_iam_role.this.max_session_duration == 3600
    error_message = "a plain role has no instance profile and sessions of an hour"
  }
}

run "an_instance_profile_of_the_same_name" {
  command = plan

  variables {
    instance_profile    = true
    managed_policy_arns = { ssm = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore" }
    inline_policies     = { own = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }

  assert {
    condition     = output.instance_profile_name == "test-role" && length(aws_iam_role_policy_attachment.this) == 1 && length(aws_iam_role_policy.this) == 1
    error_message = "profile, attachment and inline policy must be there"
  }
}

run "text_is_no_policy" {
  command = plan

  variables {
    inline_policies = { own = "allow everything" }
  }

  expect_failures = [var.inline_policies]
}
