"""Tests, one file a promise. (A package, so that no installed one of that name hides it.)"""
