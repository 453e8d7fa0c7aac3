import { test } from 'vitest'
import { followed } from './worlds.ts'

test('model: equals the rebuilt one all along 100,000 random changes', { timeout: 900_000 }, () => followed(100_000, 11))
