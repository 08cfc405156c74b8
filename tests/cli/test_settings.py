"""What shaped the GC of the fixture, which was made with three variables in the environment (labs/README.md)."""
import unittest

import clrtrail


class Settings(unittest.TestCase):
    def setUp(self):
        self.rows = {row['setting']: row for row in clrtrail.document(clrtrail.fixture(), 'gc_settings')['rows']}

    def test_environment(self):
        limit = self.rows['DOTNET_GCHeapHardLimit']
        self.assertEqual((limit['value'], limit['bytes'], limit['source']), ('0x4000000', 64 << 20, 'environment'))
        self.assertEqual(self.rows['DOTNET_GCgen0size']['bytes'], 512 << 10)
        self.assertEqual(self.rows['DOTNET_TieredPGO']['value'], '0')

    def test_environment_goes_before_the_configuration(self):
        """The backend asks for a server GC in its project file, the lab's runner for a workstation GC."""
        self.assertEqual(self.rows['System.GC.Server']['value'], 'true')
        self.assertEqual(self.rows['DOTNET_gcServer']['value'], '0')
        self.assertEqual(self.rows['gc']['value'], 'workstation')

    def test_reservation_follows_the_limit(self):
        self.assertEqual(self.rows['reservation']['bytes'], 5 * (64 << 20))

    def test_no_paths_of_the_host(self):
        self.assertNotIn('TRUSTED_PLATFORM_ASSEMBLIES', self.rows)


if __name__ == '__main__':
    unittest.main()
