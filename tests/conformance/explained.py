# SPDX-License-Identifier: Apache-2.0
"""The differences from CoreDNS that are meant, as functions: each makes of
CoreDNS's reply the right one."""

EXPLAINED = []


def explain(question, reply, facts):
    """(the right reply, ids of the explanations that changed it)"""
    return reply, []
